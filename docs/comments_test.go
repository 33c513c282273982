package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachFile parses the files of the rooms and the root, without those of tests.
func eachFile(t *testing.T, look func(at func(token.Pos) string, dir string, file *ast.File)) {
	t.Helper()
	ours, _ := packages(t)
	for _, p := range ours {
		if _, room := allowedImports[p.room()]; !room {
			continue
		}
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			require.NoError(t, err)
			look(func(pos token.Pos) string { return set.Position(pos).String() }, p.Dir, file)
		}
	}
}

func TestFilesNamedInCommentsExist(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	named := regexp.MustCompile(`\b[a-z_]+\.go\b`)
	eachFile(t, func(at func(token.Pos) string, dir string, file *ast.File) {
		for _, comment := range file.Comments {
			for _, name := range named.FindAllString(strings.ReplaceAll(comment.Text(), "pkg.go.dev", ""), -1) {
				assert.FileExists(t, filepath.Join(dir, name), at(comment.Pos()))
			}
		}
	})
}

func TestEachExportedNameHasAComment(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	eachFile(t, func(at func(token.Pos) string, _ string, file *ast.File) {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Name.IsExported() && (decl.Recv == nil || ast.IsExported(receiver(decl))) {
					first, _, _ := strings.Cut(decl.Doc.Text(), " ")
					assert.Equal(t, decl.Name.Name, strings.TrimRight(first, ",:'"), at(decl.Pos()))
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() {
							assert.NotEmpty(t, decl.Doc.Text()+spec.Doc.Text(), at(spec.Pos()))
						}
					case *ast.ValueSpec:
						if spec.Names[0].IsExported() {
							assert.NotEmpty(t, decl.Doc.Text()+spec.Doc.Text()+spec.Comment.Text(), at(spec.Pos()))
						}
					}
				}
			}
		}
	})
}

// receiver returns the name of the type that a method belongs to.
func receiver(method *ast.FuncDecl) string {
	of := method.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	return of.(*ast.Ident).Name
}
