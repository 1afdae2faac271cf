package mfa

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// QR is a QR code as one path of an SVG: no image has to be loaded, and the page's Content-Security-Policy stays closed.
type QR struct {
	// Size is the width and height in modules, quiet zone included.
	Size int
	// Path is the "d" of the dark modules.
	Path string
}

// quiet is the white border that a scanner needs, in modules (ISO/IEC 18004).
const quiet = 4

func newQR(text string) (QR, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return QR{}, fmt.Errorf("make QR code: %w", err)
	}
	n := code.Bounds().Dx()
	var b strings.Builder
	for y := range n {
		for x := 0; x < n; x++ {
			run := 0
			for x+run < n {
				if r, _, _, _ := code.At(x+run, y).RGBA(); r != 0 {
					break
				}
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	return QR{Size: n + 2*quiet, Path: b.String()}, nil
}
