package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPasswordsBuildFilter(t *testing.T) {
	dir := t.TempDir()
	list, filter := filepath.Join(dir, "hashes.txt"), filepath.Join(dir, "filter")
	if err := os.WriteFile(list, []byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:9\n7C4A8D09CA3762AF61E59520943DC26494F8941B:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"all", []string{"--in", list, "--out", filter}, 0, "holds 2 digests"},
		{"often", []string{"--in", list, "--out", filter, "--at-least", "2"}, 0, "holds 1 digests"},
		{"no list", []string{"--in", list + ".gone", "--out", filter}, 1, "no such file"},
		{"no digests", []string{"--in", filter, "--out", filter + "2"}, 1, "line 1"},
		{"nothing said", nil, 2, "are missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), append([]string{"passwords", "build-filter"}, tt.args...), &out, &out)
			if code != tt.code || !strings.Contains(out.String(), tt.says) {
				t.Errorf("exit %d: %s", code, out.String())
			}
		})
	}
}
