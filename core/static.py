from servestatic.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """File names that carry a hash of the content, so that they may be cached for ever."""

    # Our modules import each other by relative path; the hashes must follow.
    support_js_module_import_aggregation = True
