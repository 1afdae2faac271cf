// Package token owns randomness and secrecy: random ids, digests, constant-time checks, configured secrets that do not print,
// and the gateway's keys with the contract of whoever keeps them. It knows nothing of what the tokens are for.
//
// Decisions:
//   - Every token a stranger can present has 256 random bits and is stored as its SHA-256 digest, so a copy of the database
//     opens nothing. Ids that only name a row have 128 bits and are no secret.
//   - Keys live in the store (KeyStore), not in a file beside each process: replicas that share a database share their keys
//     without anybody copying files, and `crmgate keys rotate` is seen by all of them. The price: whoever reads
//     the database can sign assertions, so it deserves the care that a key file would get.
package token
