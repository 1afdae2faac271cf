package main

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
)

func TestLibraryLog(t *testing.T) {
	var got bytes.Buffer
	restore := takeLibraryLog(slog.New(slog.NewJSONHandler(&got, nil)))
	log.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "HTTP/1.1 200 OK\r\n\r\nsalary", nil)
	log.Print("another line")
	restore()
	for _, want := range []string{`"level":"WARN","msg":"Unsolicited response received on idle HTTP channel"`, `"msg":"another line"`} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%s is missing in %s", want, &got)
		}
	}
	if strings.Contains(got.String(), "salary") {
		t.Errorf("quotes the CRM: %s", &got)
	}
	if _, ours := log.Writer().(libraryLog); ours {
		t.Error("the log is not given back")
	}
}
