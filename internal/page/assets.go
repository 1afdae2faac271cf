package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
)

const cssType = "text/css; charset=utf-8"

// assetType returns the type of a file in templates/static, "" for what is not served. The types are fixed here: the system's
// table differs from host to host.
func assetType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return cssType
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".webp":
		return "image/webp"
	case ".woff2":
		return "font/woff2"
	}
	return ""
}

type asset struct {
	body        []byte
	contentType string
}

// assets are the files below prefix/assets/.
type assets struct {
	files map[string]asset
	// version is a hash of all of them.
	version string
	// logo is the logo's name, empty where there is none.
	logo string
}

func loadAssets(cfg Config, files fs.FS) (assets, error) {
	a := assets{files: map[string]asset{}}
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return a, err
	}
	for _, e := range entries {
		contentType := assetType(e.Name())
		if contentType == "" || e.IsDir() {
			continue
		}
		body, err := fs.ReadFile(files, path.Join("static", e.Name()))
		if err != nil {
			return a, err
		}
		a.files[e.Name()] = asset{body, contentType}
	}
	brand, err := brandCSS(cfg.Color)
	if err != nil {
		return a, err
	}
	a.files["brand.css"] = asset{[]byte(brand), cssType}
	if icon, ok := a.files["favicon.svg"]; ok {
		// An icon in a browser's tab sees no style sheet.
		c, _ := parseColor(cfg.Color)
		body := strings.NewReplacer("var(--brand)", c.String(), "var(--on-brand)", c.on().String()).Replace(string(icon.body))
		a.files["favicon.svg"] = asset{[]byte(body), icon.contentType}
	}
	if cfg.LogoFile != "" {
		body, contentType, err := readLogo(cfg.LogoFile)
		if err != nil {
			return a, err
		}
		a.logo = "logo." + map[string]string{"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}[contentType]
		a.files[a.logo] = asset{body, contentType}
	}
	a.version = a.hash()
	return a, nil
}

func (a assets) hash() string {
	names := make([]string, 0, len(a.files))
	for name := range a.files {
		names = append(names, name)
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		fmt.Fprintf(h, "%s %d\n", name, len(a.files[name].body))
		h.Write(a.files[name].body)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Assets serves the style sheet, the script and the logo below prefix+"/assets/". An address with another version's hash gets
// today's file and may not be kept: during an update two versions run side by side.
func (p *Pages) Assets() http.Handler {
	return p.Handle(func(w http.ResponseWriter, r *http.Request) error {
		version, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, p.prefix+"/assets/"), "/")
		if !ok {
			version, name = "", version
		}
		f, ok := p.assets.files[name]
		if !ok {
			return fault.New(fault.NotFound, "There is no such file.")
		}
		h := w.Header()
		h.Set("Content-Type", f.contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		// An SVG opened on its own is a document and could run a script.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		h.Set("Cache-Control", "no-cache")
		if version == p.assets.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		h.Set("ETag", `"`+p.assets.version+`"`)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.body))
		return nil
	})
}
