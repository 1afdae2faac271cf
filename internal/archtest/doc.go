// Package archtest holds the house together: the floors that imports go down by, the fences around libraries, the shape of
// the tree, that the examples load, and that the package comments and the README name only tests, files and libraries that exist. It has
// tests only, and each says in a sentence what to do about what it finds. What the code does is not its business.
//
// Decisions:
//   - Sources are parsed, not built: the tests take less than a second and also judge a package that does not compile.
//   - The floors are a table. A new package fails until somebody has decided where it belongs, which is the point.
//   - Test files may start real servers (package realtest) and run the stores' common suite (storetest), and fences do not
//     bind them: a test of sign-in may well speak LDAP itself. They still import downwards, or two packages could not be
//     understood one at a time.
//   - Sizes are limits with a short list of exceptions, each with its own limit and reason; one that is needed no more fails, so the
//     list only gets shorter.
package archtest
