package app

import (
	"log/slog"

	"crmgate/internal/config"
	"crmgate/internal/fault"
	"crmgate/internal/page"
	"crmgate/templates"
)

// CheckPages reads every page and mail as the start does, and names what is wrong with those of branding.templates_dir.
func CheckPages(cfg *config.Config) fault.Problems {
	if cfg.Branding.TemplatesDir == "" {
		return nil // the built-in ones have tests
	}
	if _, err := page.New(cfg.Branding, templates.FS, cfg.Server.PathPrefix, slog.New(slog.DiscardHandler)); err != nil {
		return fault.Problems{{Path: "branding.templates_dir", Message: "cannot be used: " + err.Error(),
			Hint: "Mend the file, or take it away: the built-in one of its name is used then. The start would fail."}}
	}
	return nil
}
