"""The zoo: what real teams get wrong between offline and online, on the flights of 2013, each case with the answer that is right."""
