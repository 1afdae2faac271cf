package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// configFile is the demo's configuration, where a curious person finds it.
func (w *world) configFile() string { return filepath.Join(w.DataDir, "crmgate.yaml") }

// issuerLine finds the company's address in a configuration that an earlier demo wrote.
var issuerLine = regexp.MustCompile(`(?m)^ +issuer: "http://([^/"]+)/contoso"$`)

// claim makes the data directory ours. Accounts are tied to the company's issuer, so with kept data the company comes back to the
// address it had; there it also keeps a second demo away from the same data.
func (w *world) claim() error {
	dir, err := filepath.Abs(w.DataDir) // the configuration would read a relative one from its own folder
	if err != nil {
		return fmt.Errorf("find --data %s: %w", w.DataDir, err)
	}
	w.DataDir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make --data: %w", err)
	}
	old, err := os.ReadFile(w.configFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read --data: %w", err)
	}
	mark, _, _ := strings.Cut(configTemplate, "\n")
	m := issuerLine.FindStringSubmatch(string(old))
	if !strings.HasPrefix(string(old), mark) || m == nil {
		return fmt.Errorf("%s was not written by the demo and stays as it is; choose another --data", w.configFile())
	}
	w.companyAddress = m[1]
	return nil
}
