
// Rows of cells as a CSV file; `quoted` says of a cell whether it stands in quotes.
const saveCsv = (name, rows, quoted = /[",\r\n]/) => {
  const cell = (value) => {
    const text = String(value ?? "");
    return quoted.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) => `${row.map(cell).join(",")}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};
