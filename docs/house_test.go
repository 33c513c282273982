package docs

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/ecgrid-contrib/ecgridsession"

// allowedImports are the arrows of the design. Each package may import those in
// its row, and no other package of the module. What is not listed as a key is
// outside of the house: tests, the fake, the example.
var allowedImports = map[string]string{
	"": "internal/cookie internal/ecgrid internal/lifecycle internal/localpath internal/memory internal/origin " +
		"internal/record internal/request internal/revoke internal/seal internal/session internal/web",
	"internal/request":    "internal/cookie internal/lifecycle internal/record internal/session internal/web",
	"internal/cookie":     "internal/record internal/seal internal/session",
	"internal/lifecycle":  "internal/background internal/ecgrid internal/record internal/seal internal/session",
	"internal/revoke":     "internal/background internal/ecgrid internal/record internal/session",
	"internal/session":    "internal/base64url internal/record internal/seal",
	"internal/origin":     "",
	"internal/web":        "",
	"internal/memory":     "",
	"internal/background": "",
	"internal/ecgrid":     "",
	"internal/record":     "internal/base64url internal/ecgrid",
	"internal/seal":       "internal/base64url",
	"internal/base64url":  "",
	"internal/localpath":  "",
}

// listed is what the go command knows of a package.
type listed struct {
	ImportPath, Dir, Doc, Export string
	GoFiles, Imports             []string
	DepOnly, Standard            bool
}

func (p listed) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, modulePath), "/")
}

// packages lists the root module's packages and what they are built from.
func packages(t *testing.T) (ours []listed, exports map[string]string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Doc,Export,GoFiles,Imports,DepOnly,Standard", "./...")
	cmd.Env = append(os.Environ(), "GOWORK=off") // this module alone
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	exports = make(map[string]string)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := decoder.Decode(&p)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		exports[p.ImportPath] = p.Export
		if !p.DepOnly && len(p.GoFiles) > 0 {
			ours = append(ours, p)
		}
	}
	require.NotEmpty(t, ours)
	return ours, exports
}

func TestEachRoomKnowsOnlyWhatIsBelowIt(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	ours, _ := packages(t)
	seen := make(map[string]bool)
	for _, p := range ours {
		allowed, listed := allowedImports[p.room()]
		if !listed {
			continue
		}
		seen[p.room()] = true
		for _, path := range p.Imports {
			if room, ok := strings.CutPrefix(path, modulePath+"/"); ok {
				assert.Contains(t, strings.Fields(allowed), room, "%s imports %s", p.room(), room)
			}
		}
	}
	assert.Len(t, seen, len(allowedImports), "a room that is gone is still listed")
}

func TestEachPackageSaysWhatItIsFor(t *testing.T) {
	t.Chdir("..")
	ours, _ := packages(t)
	for _, p := range ours {
		assert.NotEmpty(t, p.Doc, "%s has no package comment", p.ImportPath)
	}
}

func TestNoTwoFilesNeedEachOther(t *testing.T) {
	t.Chdir("..")
	ours, exports := packages(t)
	for _, p := range ours {
		if _, room := allowedImports[p.room()]; !room {
			continue
		}
		for _, pair := range mutualNeeds(t, p, exports) {
			assert.Fail(t, "files need each other", "%s: %s", p.ImportPath, pair)
		}
	}
}

// mutualNeeds returns the pairs of files of p of which each uses, directly or
// through further files, a name that the other declares.
func mutualNeeds(t *testing.T, p listed, exports map[string]string) []string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	imported := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	checked, err := (&types.Config{Importer: imported}).Check(p.ImportPath, fset, files, info)
	require.NoError(t, err)

	needs := make(map[string]map[string]bool)
	why := make(map[string]string)
	for ident, object := range info.Uses {
		if object.Pkg() != checked {
			continue
		}
		from, to := filepath.Base(fset.Position(ident.Pos()).Filename), filepath.Base(fset.Position(object.Pos()).Filename)
		if from == to {
			continue
		}
		if needs[from] == nil {
			needs[from] = make(map[string]bool)
		}
		needs[from][to] = true
		why[from+" "+to] = object.Name()
	}
	reach := make(map[string]map[string]bool)
	var walk func(start, at string)
	walk = func(start, at string) {
		for next := range needs[at] {
			if !reach[start][next] {
				reach[start][next] = true
				walk(start, next)
			}
		}
	}
	for from := range needs {
		reach[from] = make(map[string]bool)
		walk(from, from)
	}
	var pairs []string
	for a := range needs {
		for b := range needs[a] {
			if reach[b][a] {
				pairs = append(pairs, a+" needs "+b+" for "+why[a+" "+b])
			}
		}
	}
	slices.Sort(pairs)
	return pairs
}

func TestTheTopOfTheRepositoryFitsOneGlance(t *testing.T) {
	t.Chdir("..")
	// Not by git, which a downloaded archive does not have.
	entries, err := filepath.Glob("*")
	require.NoError(t, err)
	entries = slices.DeleteFunc(entries, func(name string) bool { return strings.HasPrefix(name, ".") })
	tests := slices.DeleteFunc(slices.Clone(entries), func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
	assert.LessOrEqual(t, len(entries), 45)
	assert.LessOrEqual(t, len(tests), 8)
}
