package config

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"crmgate/internal/fault"
)

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// Load reads the file at path. The Config is nil where the report holds a fault; warnings alone do not matter. Env looks up
// environment variables; os.LookupEnv does.
func Load(path string, env func(string) (string, bool)) (*Config, *Report) {
	fsys := osFiles(filepath.Dir(path))
	if dir, err := filepath.Abs(fsys.dir); err == nil {
		fsys.dir = dir
	}
	data, err := fsys.read(path, maxFile)
	if err != nil {
		return nil, &Report{File: path, Findings: []Finding{{File: path, Message: "cannot be read: " + whyUnreadable(err)}}}
	}
	return load(path, data, fsys, env)
}

// load is Load for a file whose content is at hand.
func load(name string, data []byte, fsys files, env func(string) (string, bool)) (*Config, *Report) {
	r := &Report{File: name, places: map[string]place{"": {1, 1}}}
	root, ok := parse(data, r)
	if !ok {
		return nil, r
	}
	w := &walker{files: fsys, env: env, report: r, reserved: newReservedSet(), fields: map[reflect.Type][]field{}}
	tree := map[string]any{}
	if root != nil {
		if v, ok := w.value(root, reflect.TypeFor[Config](), path{}); ok {
			tree = v.(map[string]any)
		}
	}
	cfg, err := decode(tree)
	if err != nil {
		// The walk has checked every shape and type, and mapstructure's message would show values.
		r.put(Finding{File: name, Message: "cannot be decoded", Hint: "This is a bug of crmgate: please report the file without its secrets."})
		return nil, r
	}
	cfg.Server.PublicURL = strings.TrimSuffix(cfg.Server.PublicURL, "/")

	settlePaths(reflect.ValueOf(cfg).Elem(), path{}, fsys, r)
	// What the walk has said is not said again in other words, and a package knows its own values better than the
	// comparison of sections does.
	walked := r.faulty()
	r.putProblems(validateAll(reflect.ValueOf(*cfg), path{}), func(p string) bool { return echoes(p, walked) })
	validated := r.faulty()
	r.putProblems(crossCheck(cfg), func(p string) bool { return echoes(p, walked) || slices.Contains(validated, p) })
	r.sort()
	if !r.OK() {
		return nil, r
	}
	return cfg, r
}

// parse reads the one document of a file; nil for an empty one.
func parse(data []byte, r *Report) (*yaml.Node, bool) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, true
		}
		r.put(syntaxFault(err, data))
		return nil, false
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		r.put(Finding{Line: more.Line, Column: 1, Message: "a second document begins here", Hint: "Remove the line ---."})
		return nil, false
	case !errors.Is(err, io.EOF):
		r.put(syntaxFault(err, data))
		return nil, false
	}
	if len(doc.Content) == 0 {
		return nil, true
	}
	return doc.Content[0], true
}

var (
	yamlLine = regexp.MustCompile(`^yaml: line ([0-9]+): `)
	// unquotedInFlow finds a ${NAME} without quotes in a line that opens a list or mapping: its brace ends that.
	unquotedInFlow = regexp.MustCompile(`[{\[][^\n]*[:,\[] *\$\{`)
	yamlAnchor     = regexp.MustCompile(`^yaml: (?:line [0-9]+: )?unknown anchor '(.*)' referenced$`)
)

// syntaxFault turns an error of the YAML parser into a finding.
func syntaxFault(err error, data []byte) Finding {
	text := err.Error()
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		// The parser names the anchor, and the anchor may be a password that begins with a star.
		line := 0
		if i := bytes.Index(data, []byte("*"+m[1])); i >= 0 {
			line = 1 + bytes.Count(data[:i], []byte("\n"))
		}
		return Finding{Line: line, Message: "not valid YAML: an alias without an anchor", Hint: "Put a value that begins with * into quotes."}
	}
	line := 1 // the parser leaves the number out in the first line
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	hint := "Look at indentation, colons and quotes near this line."
	// The parser names this line or the one before.
	lines := bytes.Split(data, []byte("\n"))
	if unquotedInFlow.Match(bytes.Join(lines[max(0, line-1):min(len(lines), line+1)], []byte("\n"))) {
		hint = "Inside {…} and […] put ${NAME} into quotes."
	}
	return Finding{Line: line, Message: "not valid YAML: " + strings.TrimPrefix(text, "yaml: "), Hint: hint}
}

// delimiter separates keys inside viper; the usual dot could be part of one.
const delimiter = "::"

// decode lays the walked tree over the defaults and makes a Config of it.
func decode(tree map[string]any) (*Config, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	defaults := toTree(defaultOf(reflect.TypeFor[Config]())).(map[string]any)
	for key, value := range defaults {
		v.SetDefault(key, value)
	}
	if err := v.MergeConfigMap(tree); err != nil {
		return nil, err
	}
	// A fresh struct each time: what is left of an earlier one would shine through the gaps.
	cfg := new(Config)
	err := v.UnmarshalExact(cfg, func(c *mapstructure.DecoderConfig) {
		c.TagName = "json"
		c.Squash = true // as fieldsOf does
		c.WeaklyTypedInput = false
		c.DecodeHook = nil
	})
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// validateAll collects what every type inside v that has a Validate method says, below its path.
func validateAll(v reflect.Value, at path) fault.Problems {
	var out fault.Problems
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			out = append(out, validateAll(v.Index(i), at.item(i))...)
		}
	case v.Kind() == reflect.Struct:
		if c, ok := v.Interface().(interface{ Validate() fault.Problems }); ok {
			out = append(out, c.Validate().Under(at.concrete)...)
		}
		for _, f := range fieldsOf(v.Type()) {
			out = append(out, validateAll(v.FieldByIndex(f.index), at.key(f.key))...)
		}
	}
	return out
}

// echoes reports whether a problem at p only repeats, in other words, a fault that the walk has found: at the same place,
// above or below it, or at the file that a secret comes from.
func echoes(p string, faulty []string) bool {
	for _, f := range faulty {
		if p == f || p+"_file" == f || f != "" && (strings.HasPrefix(p, f+".") || strings.HasPrefix(p, f+"[")) || p != "" && strings.HasPrefix(f, p+"[") && !strings.Contains(f[len(p):], ".") {
			return true
		}
	}
	return false
}
