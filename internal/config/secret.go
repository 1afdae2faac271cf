package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// maxSecret bounds a secret file; a private key is a few kilobytes.
const maxSecret = 64 << 10

// files is the part of the file system that a configuration may ask for.
type files struct {
	// dir is the folder that relative paths start from.
	dir string
	// read returns at most max bytes of a regular file, and an error for a longer one.
	read func(name string, max int64) ([]byte, error)
	stat func(name string) (fs.FileInfo, error)
}

func osFiles(dir string) files { return files{dir: dir, read: readRegular, stat: os.Stat} }

func (f files) resolve(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}

// errTooLong says that a file holds more than was asked for.
var errTooLong = errors.New("file too long")

// errNotRegular says that a name belongs to a folder, a pipe or a device: reading one could block for ever.
var errNotRegular = errors.New("not a regular file")

func readRegular(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, errTooLong
	}
	return b, nil
}

// whyUnreadable says in words why a file could not be read.
func whyUnreadable(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not read it"
	case errors.Is(err, errTooLong):
		return "it is too long"
	case errors.Is(err, errNotRegular):
		return "it is not a regular file"
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

// twins fills every secret x of a mapping from the file that x_file names.
func (w *walker) twins(t reflect.Type, out map[string]any, at path) {
	for _, f := range w.fieldsOf(t) {
		if f.typ != secretType {
			continue
		}
		twin := f.key + "_file"
		name, _ := out[twin].(string)
		if name == "" {
			continue
		}
		where := at.key(twin)
		complain := func(hint, format string, args ...any) {
			w.report.put(Finding{Path: where.concrete, Message: fmt.Sprintf(format, args...), Hint: hint})
		}
		if v, ok := out[f.key]; ok && !reflect.ValueOf(v).IsZero() {
			complain("Keep one of the two.", "is set beside %s", f.key)
			continue
		}
		b, err := w.files.read(w.files.resolve(name), maxSecret)
		if err != nil {
			complain("A relative path starts at the folder of the configuration file.", "cannot be read: %s", whyUnreadable(err))
			continue
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
		if text == "" {
			complain("", "names an empty file")
			continue
		}
		w.report.secrets = append(w.report.secrets, text)
		out[f.key] = reflect.ValueOf(text).Convert(secretType).Interface()
	}
}
