// Package storetest is the contract that every backend passes: one suite per store interface, with expiry and concurrency.
package storetest
