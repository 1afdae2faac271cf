package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command of a README works as it stands there only for somebody who knows what the file wants from the environment.
func TestExamplesNameTheirEnvironment(t *testing.T) {
	examples, err := filepath.Glob(root + "/examples/*/crmgate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range examples {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		readme, err := os.ReadFile(filepath.Join(filepath.Dir(file), "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		missing := map[string]bool{}
		for _, m := range placeholder.FindAllStringSubmatch(string(text), -1) {
			missing[m[1]] = !strings.Contains(string(readme), m[1])
		}
		for name, isMissing := range missing {
			if isMissing {
				t.Errorf("%s wants ${%s} from the environment, and its README.md does not name it", file, name)
			}
		}
	}
}
