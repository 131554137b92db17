##! Types of IGMP. The records are among those native code uses, so nothing is left to declare here.

module IGMP;
