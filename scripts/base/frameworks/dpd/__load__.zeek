##! The old place of what has become part of the analyzer framework.

@load base/frameworks/analyzer
