##! Unpacks ZIP archives: the analyzer hands each member to the file analysis as
##! a file of its own. Loading policy/files/zip/register switches it on.

@load ./types

module ZIP;
