// Package token owns randomness and secrecy: random ids, digests, constant-time checks, configured secrets that do not print,
// values sealed under a key, the gateway's keys and what may be used once, with the contracts of whoever keeps them. It knows nothing of what the tokens are for.
//
// Decisions:
//   - Every token a stranger can present has 256 random bits and is stored as its SHA-256 digest, so a copy of the database
//     opens nothing. Ids that only name a row have 128 bits and are no secret.
//   - Values that must come back out are sealed with AES-256-GCM and bound to a purpose as additional data, so a value
//     sealed for one place cannot be pasted into another.
//   - Keys live in the store (KeyStore), not in a file beside each process: replicas that share a database share their keys
//     without anybody copying files, and `crmgate keys rotate` is seen by all of them. The price: whoever reads
//     the database can sign assertions, so it deserves the care that a key file would get.
package token
