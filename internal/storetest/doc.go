// Package storetest is the contract that every backend passes: one suite per store interface, with expiry and concurrency. It
// knows no backend and no engine; a backend's test opens a store and hands it over.
//
// Decisions:
//   - A suite tests what the interface promises and nothing else, so it may be run against a store that others use too: it makes
//     its own random ids, and never counts what it did not make.
//   - Times are near now, because a store may let expired records go by its own clock.
//   - Promises about one winner are tested with many goroutines that start together, more than once.
//
// Libraries: go-cmp says in which field a record came back changed.
package storetest
