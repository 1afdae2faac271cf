package main

import (
	"bytes"
	"log"
	"log/slog"
)

// libraryLog takes what the standard library writes to its own log, net/http above all, into ours. Nothing of what a CRM sent goes along: net/http
// quotes bytes that came unasked, and they may be somebody's page.
type libraryLog struct{ to *slog.Logger }

func (l libraryLog) Write(line []byte) (int, error) {
	said, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" starting with "))
	l.to.Warn(string(said))
	return len(line), nil
}

// takeLibraryLog sends the standard library's log to ours until restore is called.
func takeLibraryLog(to *slog.Logger) (restore func()) {
	w, flags := log.Writer(), log.Flags()
	log.SetFlags(0)
	log.SetOutput(libraryLog{to})
	return func() {
		log.SetFlags(flags)
		log.SetOutput(w)
	}
}
