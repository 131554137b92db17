##! Names for ZIP members that the analyzer's own names do not cover.

@load base/frameworks/files

module ZIP;
