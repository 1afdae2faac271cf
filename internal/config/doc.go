// Package config owns the YAML file: its schema, composed of the Config each package declares for itself, reading it, and
// refusing it with every fault at once, each with file, line and hint. What a single value may be is each package's own
// business (its Validate); what only shows when sections are seen together (two providers that claim one domain, a rule
// that names an unknown provider) is checked here. Only package app and the commands import this one.
//
// Decisions:
//   - The file is walked as a tree of YAML nodes against the Go types before viper sees it. Only the nodes know lines, only
//     the types know the keys, and viper would fold the case of keys and forget both. What the walk yields is typed already,
//     so viper's part is the layering of values over defaults, and mapstructure has nothing left to guess.
//   - A scalar is its text: `"587"` and `587` are the same number, `no` is never a boolean and `010` never eight. YAML's own
//     resolution of types is used for nothing but null, which means "not set".
//   - Defaults come from the Default method of the type that owns them and are applied to list items too, so a package's
//     idea of a default has one home.
//   - A struct that a package embeds in its Config groups keys in Go only: they stand in the file as if they were written where it
//     is embedded.
//   - `${NAME}` is expanded in values only, once, and never looked at again: a secret may hold any character. An unset
//     variable is a fault, because an empty password is worse than a process that does not start.
//   - Keys of the surface that this version does not fulfil are known (reserved.go): their neutral value is accepted and
//     every other one refused. An administrator who asks for a second factor must not get a gateway without one.
//   - No finding shows a secret: values of secret fields are never put into a message, and a last pass blots out any that
//     a package's own message might hold.
//   - Every path that ends in _file or _dir is relative to the folder of the configuration file, whatever the working
//     directory is.
//
// Libraries: viper layers the file over the defaults, with mapstructure decoding into fresh structs; yaml/v3 is the one parser that gives
// nodes with lines; google/jsonschema-go infers the schema from the same types and brings no dependency of its own.
package config
