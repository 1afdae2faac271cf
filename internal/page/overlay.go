package page

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// overlay is a file system in which the administrator's files take the place of built-in ones of the same name.
type overlay struct{ own, builtin fs.FS }

// over returns files with those of dir over them; an empty dir changes nothing.
func over(dir string, files fs.FS) fs.FS {
	if dir == "" {
		return files
	}
	return overlay{own: os.DirFS(dir), builtin: files}
}

// Open opens the administrator's file where there is one.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.own.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.builtin.Open(name)
	}
	return f, err
}

// ReadDir lists both, each name once.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	own, err := fs.ReadDir(o.own, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	builtin, err := fs.ReadDir(o.builtin, name)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && len(own) > 0) {
		return nil, err
	}
	all := append(own, builtin...)
	slices.SortStableFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(all, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() }), nil
}
