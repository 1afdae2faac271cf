package page

import (
	"io/fs"
	"log/slog"
	"net/http"

	"crmgate/internal/fault"
)

// Config is the `branding` section.
type Config struct {
	Product      string `json:"product"`
	Organisation string `json:"organisation"`
	LogoFile     string `json:"logo_file"`
	// Color is the brand colour as #rrggbb.
	Color   string  `json:"color"`
	Support Support `json:"support"`
	// TemplatesDir holds files that take the place of built-in ones of the same name.
	TemplatesDir string `json:"templates_dir"`
}

// Support is whom to ask.
type Support struct {
	Email string `json:"email"`
	Phone string `json:"phone"`
	URL   string `json:"url"`
	Hours string `json:"hours"`
}

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{Product: "CRM", Organisation: "", Color: "#1f5fbf"}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems { return nil }

// Pages renders pages and mails.
type Pages struct {
	cfg    Config
	prefix string
	log    *slog.Logger
}

// New loads all templates from files (package templates) and from cfg.TemplatesDir, and fails on the first that does not parse.
// Prefix is server.path_prefix.
func New(cfg Config, files fs.FS, prefix string, log *slog.Logger) (*Pages, error) {
	return &Pages{cfg: cfg, prefix: prefix, log: log}, nil
}

// Render writes a page: templates/pages/<name>.html inside the layout, with data as .Data.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	return nil
}

// Fail writes the answer to an error: page or JSON, with the status of its kind, and one log line with the same reference id.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {}

// Handle adapts a handler that returns its error.
func (p *Pages) Handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			p.Fail(w, r, err)
		}
	})
}

// Assets serves the style sheet, the script and the logo below prefix+"/assets/".
func (p *Pages) Assets() http.Handler { return http.NotFoundHandler() }

// RenderMail renders templates/mail/<name>.txt and .html; the text's first line "Subject: ..." is the subject.
func (p *Pages) RenderMail(name string, data any) (subject, text, html string, err error) {
	return "", "", "", nil
}
