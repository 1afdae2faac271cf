package page

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"crmgate/templates"
)

func TestParseColor(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		good bool
	}{
		"lower case":  {"#1f5fbf", true},
		"upper case":  {"#1F5FBF", true},
		"no hash":     {"1f5fbf", false},
		"short":       {"#fff", false},
		"long":        {"#1f5fbf00", false},
		"a word":      {"blue", false},
		"no hex":      {"#1f5fbg", false},
		"css escape":  {"#1f5f;}", false},
		"empty":       {"", false},
		"two hashes":  {"##1f5fbf", false},
		"white space": {"#1f5fbf ", false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseColor(tc.in)
			if (err == nil) != tc.good {
				t.Fatalf("parseColor(%q): error %v", tc.in, err)
			}
			if tc.good && c.String() != strings.ToLower(tc.in) {
				t.Errorf("parseColor(%q).String() = %s", tc.in, c)
			}
		})
	}
}

func TestContrast(t *testing.T) {
	for _, tc := range []struct {
		a, b     string
		from, to float64
	}{
		{"#000000", "#ffffff", 20.99, 21.01},
		{"#767676", "#ffffff", 4.5, 4.6}, // the well-known lightest grey that passes on white
		{"#777777", "#ffffff", 4.4, 4.5},
		{"#1f5fbf", "#1f5fbf", 0.99, 1.01},
	} {
		a, _ := parseColor(tc.a)
		b, _ := parseColor(tc.b)
		if got := contrast(a, b); got < tc.from || got > tc.to {
			t.Errorf("contrast(%s, %s) = %.3f, want %.2f to %.2f", tc.a, tc.b, got, tc.from, tc.to)
		}
	}
}

// Whatever the brand colour, what is written in it or on it can be read.
func TestBrandIsReadable(t *testing.T) {
	value := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	for _, brand := range []string{"#1f5fbf", "#ffff00", "#ffffff", "#000000", "#808080", "#777777", "#ff0080", "#00ff00", "#f4f6f9", "#1a1f27", "#e4572e"} {
		css, err := brandCSS(brand)
		if err != nil {
			t.Fatal(err)
		}
		light, dark, ok := strings.Cut(css, "@media (prefers-color-scheme: dark)")
		if !ok {
			t.Fatal("no dark theme")
		}
		for theme, part := range map[string]string{"light": light, "dark": dark} {
			got := map[string]color{}
			for _, m := range value.FindAllStringSubmatch(part, -1) {
				got[m[1]], _ = parseColor(m[2])
			}
			if len(got) != 5 {
				t.Fatalf("%s %s: %d values in %q", brand, theme, len(got), part)
			}
			for _, fill := range []string{"brand", "brand-hover"} {
				if c := contrast(got[fill], got["on-brand"]); c < textContrast {
					t.Errorf("%s %s: text on %s has contrast %.2f", brand, theme, fill, c)
				}
			}
			for _, surface := range map[string][]string{"light": {lightSurface, lightGround, lightHover}, "dark": {darkSurface, darkGround, darkHover}}[theme] {
				s, _ := parseColor(surface)
				if c := contrast(got["accent"], s); c < textContrast {
					t.Errorf("%s %s: link on %s has contrast %.2f", brand, theme, surface, c)
				}
				if c := contrast(got["brand-edge"], s); c < shapeContrast {
					t.Errorf("%s %s: edge of a button on %s has contrast %.2f", brand, theme, surface, c)
				}
			}
		}
	}
}

func TestBrandKeepsAReadableColor(t *testing.T) {
	css, err := brandCSS("#1f5fbf")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--brand: #1f5fbf;", "--brand-edge: #1f5fbf;", "--accent: #1f5fbf;"} {
		if !strings.Contains(css, want) {
			t.Errorf("a readable colour was changed, no %s in\n%s", want, css)
		}
	}
}

// The surfaces that the brand colour is measured against are those of the style sheet, and the sheet's own colours are readable.
func TestStyleSheetTokens(t *testing.T) {
	b, err := fs.ReadFile(templates.FS, "static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, _ := strings.Cut(string(b), "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "*, *::before")
	token := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	for theme, tc := range map[string]struct{ css, surface, ground, hover string }{
		"light": {light, lightSurface, lightGround, lightHover},
		"dark":  {dark, darkSurface, darkGround, darkHover},
	} {
		got := map[string]string{}
		for _, m := range token.FindAllStringSubmatch(tc.css, -1) {
			got[m[1]] = m[2]
		}
		for name, want := range map[string]string{"surface": tc.surface, "ground": tc.ground, "hover": tc.hover} {
			if got[name] != want {
				t.Errorf("%s: --%s is %s in style.css and %s in color.go", theme, name, got[name], want)
			}
		}
		for _, pair := range [][2]string{
			{"ink", "surface"}, {"ink", "ground"}, {"ink", "hover"}, {"ink", "field"}, {"ink-soft", "surface"}, {"ink-soft", "ground"},
			{"ink-soft", "hover"}, {"problem", "problem-back"}, {"problem", "surface"}, {"good", "good-back"},
		} {
			a, errA := parseColor(got[pair[0]])
			b, errB := parseColor(got[pair[1]])
			if c := contrast(a, b); errA != nil || errB != nil || c < textContrast {
				t.Errorf("%s: --%s on --%s has contrast %.2f", theme, pair[0], pair[1], c)
			}
		}
		edge, _ := parseColor(got["edge"])
		field, _ := parseColor(got["field"])
		if c := contrast(edge, field); c < shapeContrast {
			t.Errorf("%s: the edge of a field has contrast %.2f", theme, c)
		}
	}
}
