"""A source as the tests like it: listed, and each of its images scanned."""

from dataclasses import replace

from fieldmark.cache import Cache
from fieldmark.data.scan import scan, with_facts
from fieldmark.data.sources import read_listing


def read_source(name, advance=None):
    """The listing, with hash and size of the images; those that cannot be read are left out."""
    listing = read_listing(name)
    samples, unread = with_facts(listing.samples, scan(listing.samples, Cache(None), advance))
    return replace(listing, samples=samples, left_out={**listing.left_out, **unread})
