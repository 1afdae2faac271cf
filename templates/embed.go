// Package templates holds everything a person sees: pages, mails, the style sheet. Package page renders them.
package templates

import "embed"

// FS are the built-in templates and assets: the layout, the parts that pages share, the pages, the mails and the static files.
//
//go:embed all:layout all:parts all:pages all:mail all:static
var FS embed.FS
