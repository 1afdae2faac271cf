package page

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// The surfaces of templates/static/style.css that the brand colour stands on; a test holds the two together.
const (
	lightSurface = "#ffffff"
	lightGround  = "#f4f6f9"
	darkSurface  = "#1a1f27"
	darkGround   = "#11151b"
	lightHover   = "#f1f4f8"
	darkHover    = "#242b35"
)

// Contrast that WCAG 2.2 asks for: 1.4.3 for text, 1.4.11 for the shape of a control.
const (
	textContrast  = 4.5
	shapeContrast = 3.0
)

var errColor = errors.New("not a colour of the form #rrggbb")

// color is sRGB with each part between 0 and 1.
type color [3]float64

func white() color { return color{1, 1, 1} }
func black() color { return color{} }

func parseColor(s string) (color, error) {
	digits, ok := strings.CutPrefix(s, "#")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != 3 {
		return color{}, errColor
	}
	return color{float64(b[0]) / 255, float64(b[1]) / 255, float64(b[2]) / 255}, nil
}

// String returns #rrggbb.
func (c color) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0]*255)), int(math.Round(c[1]*255)), int(math.Round(c[2]*255)))
}

// luminance is the relative luminance of WCAG 2.2.
func (c color) luminance() float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is the contrast ratio of WCAG 2.2, between 1 and 21.
func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// mix returns c moved towards other by part, between 0 and 1.
func (c color) mix(other color, part float64) color {
	for i := range c {
		c[i] += (other[i] - c[i]) * part
	}
	return c
}

// readable moves c towards pole, as little as needed, until it has the contrast on every surface.
func (c color) readable(pole color, least float64, surfaces ...color) color {
	for part := 0.0; part < 1; part += 0.02 {
		// Rounded first: what counts is the colour that stands in the style sheet.
		tried, _ := parseColor(c.mix(pole, part).String())
		good := true
		for _, s := range surfaces {
			good = good && contrast(tried, s) >= least
		}
		if good {
			return tried
		}
	}
	return pole
}

// on returns the text colour for a background: white where it can be read, else black, which then can.
func (c color) on() color {
	if contrast(c, white()) >= textContrast {
		return white()
	}
	return black()
}

// brandCSS is the style sheet that holds the brand's colour and what goes with it, readable on light and on dark pages.
func brandCSS(brand string) (string, error) {
	c, err := parseColor(brand)
	if err != nil {
		return "", err
	}
	surface := func(s string) color { v, _ := parseColor(s); return v }
	ink := c.on()
	// Away from the text: the text gets easier to read under the pointer, never harder.
	away := white()
	if ink == white() {
		away = black()
	}
	theme := func(pole color, surfaces ...color) string {
		// The fill stays the brand's own, whatever lies under it; the edge is what makes its shape seen.
		return fmt.Sprintf("  --brand: %s;\n  --brand-hover: %s;\n  --on-brand: %s;\n  --brand-edge: %s;\n  --accent: %s;\n",
			c, c.mix(away, 0.14), ink, c.readable(pole, shapeContrast, surfaces...), c.readable(pole, textContrast, surfaces...))
	}
	var b strings.Builder
	fmt.Fprintf(&b, ":root {\n%s}\n", theme(black(), surface(lightSurface), surface(lightGround), surface(lightHover)))
	fmt.Fprintf(&b, "@media (prefers-color-scheme: dark) {\n:root {\n%s}\n}\n", theme(white(), surface(darkSurface), surface(darkGround), surface(darkHover)))
	return b.String(), nil
}
