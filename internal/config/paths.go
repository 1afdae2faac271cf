package config

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
)

// settlePaths makes every path absolute: keys that end in _file or _dir, and breach_check where that is no address. Those that cannot be
// read are reported and emptied, because a package's Validate may open what it is given, and must not be made to open a pipe or a device.
func settlePaths(v reflect.Value, at path, f files, r *Report) {
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			settlePaths(v.Index(i), at.item(i), f, r)
		}
	case v.Kind() == reflect.Struct:
		fields := fieldsOf(v.Type())
		for _, fd := range fields {
			inner, where := v.FieldByIndex(fd.index), at.key(fd.key)
			if fd.typ.Kind() != reflect.String {
				settlePaths(inner, where, f, r)
				continue
			}
			if inner.String() == "" || !isPath(fd.key) && !(fd.key == "breach_check" && !strings.Contains(inner.String(), "://")) {
				continue
			}
			inner.SetString(f.resolve(inner.String()))
			if fd.key == "data_dir" {
				warnOpenDir(inner.String(), where, f, r)
			}
			// These two are made at the start, and a secret's file has been read.
			if fd.key == "data_dir" || fd.key == "cache_dir" || isTwin(fd.key, fields) {
				continue
			}
			if message := f.fault(inner.String(), strings.HasSuffix(fd.key, "_dir")); message != "" {
				r.put(Finding{Path: where.concrete, Message: message, Hint: "A relative path starts at the folder of the configuration file."})
				inner.SetString("")
			}
		}
	}
}

// warnOpenDir says where others on this machine could put another database in place of ours. What they can read is the files' own matter:
// those are made for the gateway alone.
func warnOpenDir(name string, at path, f files, r *Report) {
	info, err := f.stat(name)
	if err != nil || !info.IsDir() || info.Mode()&0o022 == 0 || info.Mode()&fs.ModeSticky != 0 {
		return
	}
	r.put(Finding{Path: at.concrete, Warning: true, Message: fmt.Sprintf("can be written by others on this machine (mode %04o)", info.Mode().Perm()), Hint: "chmod 700 " + name})
}

func isPath(key string) bool {
	return strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_dir")
}

// isTwin reports whether a key names the file of a secret beside it.
func isTwin(key string, fields []field) bool {
	for _, f := range fields {
		if f.typ == secretType && f.key+"_file" == key {
			return true
		}
	}
	return false
}

// fault says what is wrong with a file or folder, "" where nothing is.
func (f files) fault(name string, isDir bool) string {
	info, err := f.stat(name)
	switch {
	case err != nil:
		return "cannot be read: " + whyUnreadable(err)
	case isDir && !info.IsDir():
		return "is not a folder"
	case !isDir && !info.Mode().IsRegular():
		return "is not a regular file"
	}
	return ""
}
