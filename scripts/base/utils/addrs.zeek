##! Addresses in text.

module GLOBAL;

export {
	const ipv4_decim: pattern = /[0-9]{1}|[0-9]{2}|0[0-9]{2}|1[0-9]{2}|2[0-4][0-9]|25[0-5]/;
	const ipv4_addr_regex: pattern = ipv4_decim & /\./ & ipv4_decim & /\./ & ipv4_decim & /\./ & ipv4_decim;

	const ipv6_hextet: pattern = /[0-9A-Fa-f]{1,4}/;
	const ipv6_8hex_regex: pattern = /([0-9A-Fa-f]{1,4}:){7}/ & ipv6_hextet;
	const ipv6_hex4dec_regex: pattern = /([0-9A-Fa-f]{1,4}:){6}/ & ipv4_addr_regex;

	# Compressed forms, by the number of groups before the double colon.
	const ipv6_compressed_lead_hextets0: pattern = /::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,6})?/;
	const ipv6_compressed_lead_hextets1: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,5})?/;
	const ipv6_compressed_lead_hextets2: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){1}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,4})?/;
	const ipv6_compressed_lead_hextets3: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){2}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,3})?/;
	const ipv6_compressed_lead_hextets4: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){3}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,2})?/;
	const ipv6_compressed_lead_hextets5: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){4}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,1})?/;
	const ipv6_compressed_lead_hextets6: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){5}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,0})?/;
	const ipv6_compressed_lead_hextets7: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){6}::/;

	const ipv6_compressed_hex_regex: pattern = ipv6_compressed_lead_hextets0 |
	                                           ipv6_compressed_lead_hextets1 |
	                                           ipv6_compressed_lead_hextets2 |
	                                           ipv6_compressed_lead_hextets3 |
	                                           ipv6_compressed_lead_hextets4 |
	                                           ipv6_compressed_lead_hextets5 |
	                                           ipv6_compressed_lead_hextets6 |
	                                           ipv6_compressed_lead_hextets7;

	# Compressed forms that end in an IPv4 address.
	const ipv6_compressed_hext4dec_lead_hextets0: pattern = /::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,4})?/ & ipv4_addr_regex;
	const ipv6_compressed_hext4dec_lead_hextets1: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,3})?/ & ipv4_addr_regex;
	const ipv6_compressed_hext4dec_lead_hextets2: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){1}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,2})?/ & ipv4_addr_regex;
	const ipv6_compressed_hext4dec_lead_hextets3: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){2}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,1})?/ & ipv4_addr_regex;
	const ipv6_compressed_hext4dec_lead_hextets4: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){3}::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){0,0})?/ & ipv4_addr_regex;
	const ipv6_compressed_hext4dec_lead_hextets5: pattern = /[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){4}::/ & ipv4_addr_regex;

	const ipv6_compressed_hex4dec_regex: pattern = ipv6_compressed_hext4dec_lead_hextets0 |
	                                               ipv6_compressed_hext4dec_lead_hextets1 |
	                                               ipv6_compressed_hext4dec_lead_hextets2 |
	                                               ipv6_compressed_hext4dec_lead_hextets3 |
	                                               ipv6_compressed_hext4dec_lead_hextets4 |
	                                               ipv6_compressed_hext4dec_lead_hextets5;

	const ipv6_addr_regex: pattern = ipv6_8hex_regex |
	                                 ipv6_compressed_hex_regex |
	                                 ipv6_hex4dec_regex |
	                                 ipv6_compressed_hex4dec_regex;

	const ip_addr_regex: pattern = ipv4_addr_regex | ipv6_addr_regex;

	## Whether all octets fit into a byte.
	global has_valid_octets: function(octets: string_vec): bool;

	## The addresses in a text; with `check_wrapping` only those that stand alone, between blanks or in brackets.
	global extract_ip_addresses: function(input: string, check_wrapping: bool &default=F): string_vec;

	## An address as it stands in a URI: IPv6 in brackets.
	global addr_to_uri: function(a: addr): string;

	## A MAC address as lower-case pairs with colons; empty if it is none.
	global normalize_mac: function(a: string): string;
}

const wrapping_brackets: set[string] = { "()", "[]", "{}", "<>" };

function has_valid_octets(octets: string_vec): bool
	{
	for ( _, o in octets )
		{
		if ( /[0-9]{1,3}/ != o || to_count(o) > 255 )
			return F;
		}

	return T;
	}

function extract_ip_addresses(input: string, check_wrapping: bool &default=F): string_vec
	{
	local found: string_vec = vector();
	local parts = split_string_all(input, ip_addr_regex);

	for ( i, part in parts )
		{
		if ( i % 2 == 0 )
			next;

		if ( ! is_valid_ip(part) )
			next;

		if ( check_wrapping )
			{
			# The same on both sides, or a pair of brackets; at the ends of the text: the end on both sides.
			local before = parts[i - 1] == "" ? "" : parts[i - 1][-1];
			local after = parts[i + 1] == "" ? "" : parts[i + 1][0];

			if ( before != after && before + after !in wrapping_brackets )
				next;

			if ( /[0-9A-Za-z.:]/ == before )
				next;
			}

		found += part;
		}

	return found;
	}

function addr_to_uri(a: addr): string
	{
	return is_v4_addr(a) ? fmt("%s", a) : fmt("[%s]", a);
	}

function normalize_mac(a: string): string
	{
	local digits = to_lower(gsub(a, /[:.\-]/, ""));

	if ( /[0-9a-f]{12}|[0-9a-f]{16}/ != digits )
		return "";

	local out = digits[0:2];
	local i = 2;

	while ( i < |digits| )
		{
		out += ":" + digits[i:i + 2];
		i += 2;
		}

	return out;
	}
