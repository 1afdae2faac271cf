package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"strings"

	"crmgate/internal/fault"
)

// maxLogo is the size of the largest logo that is served.
const maxLogo = 1 << 20

// Config is the `branding` section.
type Config struct {
	// Product is the CRM's name, as people know it.
	Product string `json:"product" jsonschema:"Name of the CRM as people know it."`
	// Organisation is the company's name; may be empty.
	Organisation string `json:"organisation" jsonschema:"Name of the company."`
	// LogoFile is a PNG, SVG or JPEG that takes the place of the product's name on top of the pages; empty shows the name.
	LogoFile string `json:"logo_file" jsonschema:"PNG, SVG or JPEG file shown on top of every page."`
	// Color is the brand colour as #rrggbb.
	Color   string  `json:"color" jsonschema:"Brand colour as #rrggbb."`
	Support Support `json:"support" jsonschema:"Whom people ask for help."`
	// TemplatesDir holds files that take the place of built-in ones of the same name.
	TemplatesDir string `json:"templates_dir" jsonschema:"Directory of templates that take the place of built-in ones of the same name."`
}

// Support is whom to ask. What is empty is not shown.
type Support struct {
	Email string `json:"email" jsonschema:"Mail address of the help desk."`
	Phone string `json:"phone" jsonschema:"Telephone number of the help desk."`
	URL   string `json:"url" jsonschema:"Web address of the help desk."`
	Hours string `json:"hours" jsonschema:"When the help desk answers."`
}

// Any reports whether there is anybody to ask.
func (s Support) Any() bool { return s.Email != "" || s.Phone != "" || s.URL != "" }

// Default returns the section's defaults.
func (Config) Default() Config {
	return Config{Product: "CRM", Organisation: "", Color: "#1f5fbf"}
}

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	if strings.TrimSpace(c.Product) == "" {
		p.Add("product", "Every page and mail names it.", "the product needs a name")
	}
	if _, err := parseColor(c.Color); err != nil {
		p.Add("color", `Write six hexadecimal digits in quotes, such as "#1f5fbf".`, "%q is not a colour", c.Color)
	}
	if c.LogoFile != "" {
		if _, _, err := readLogo(c.LogoFile); err != nil {
			p.Add("logo_file", "Give a PNG, SVG or JPEG file of at most 1 MB.", "the logo cannot be used: %v", err)
		}
	}
	if c.TemplatesDir != "" {
		if info, err := os.Stat(c.TemplatesDir); err != nil {
			p.Add("templates_dir", "Create the directory or leave the key empty.", "the directory cannot be read: %v", err)
		} else if !info.IsDir() {
			p.Add("templates_dir", "Name the directory that holds pages, mail, static and so on.", "%s is not a directory", c.TemplatesDir)
		}
	}
	return append(p, c.Support.validate().Under("support")...)
}

func (s Support) validate() fault.Problems {
	var p fault.Problems
	if s.Email != "" {
		if a, err := mail.ParseAddress(s.Email); err != nil || a.Address != s.Email {
			p.Add("email", "Write a bare address, such as help@example.com.", "%q is not a mail address", s.Email)
		}
	}
	if s.URL != "" {
		u, err := url.Parse(s.URL)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			p.Add("url", "Write a full address that begins with https://.", "%q is not a web address", s.URL)
		}
	}
	return p
}

// readLogo returns a logo and its type. The type comes from the content, never from the name: what is served as an image
// must be one.
func readLogo(name string) (body []byte, contentType string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	body, err = io.ReadAll(io.LimitReader(f, maxLogo+1))
	if err != nil {
		return nil, "", err
	}
	if len(body) > maxLogo {
		return nil, "", fmt.Errorf("%s is larger than 1 MB", name)
	}
	switch t := http.DetectContentType(body); {
	case t == "image/png", t == "image/jpeg":
		return body, t, nil
	case isSVG(body):
		return body, "image/svg+xml", nil
	}
	return nil, "", fmt.Errorf("%s is neither PNG nor SVG nor JPEG", name)
}

// isSVG reports whether body is well-formed XML whose root is an svg element.
func isSVG(body []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(body))
	root := ""
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root == "svg"
		}
		if err != nil {
			return false
		}
		if e, ok := t.(xml.StartElement); ok && root == "" {
			root = e.Name.Local
		}
	}
}
