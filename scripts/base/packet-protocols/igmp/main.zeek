##! IGMP: the analyzer belongs to IP protocol 2, see the IP package.

@load ./types

module IGMP;
