"""How Sphinx builds these pages: ``make docs``."""

from __future__ import annotations

from nereid_async import __version__

project = "nereid_async"
author = "The authors of nereid_async"
project_copyright = author
version = release = __version__

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
root_doc = "index"
# A block says in which language it is; one that does not is shown as it is.
highlight_language = "none"
# Options begin with two hyphens.
smartquotes = False

html_theme = "furo"
html_title = f"nereid_async {version}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
# The summaries are fetched, which browsers do not allow for pages from disk.
html_show_search_summary = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {"navigation_with_keys": True}

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
