package docs

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A document names the test that holds a claim in the title of a link to the
// test's file, or as the link's text:
//
//	no copy opens it [<sup>✓</sup>][copies]
//	[copies]: after_logout_test.go "TestNoCopyOfTheCookie…"
//	held by [TestNoCopyOfTheCookie…](../after_logout_test.go)
const claimRule = `Where a test is renamed or moved, the documents that name it go with it.`

var (
	inlineLink  = regexp.MustCompile(`\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)(?:\s+"([^"]*)")?\)`)
	definition  = regexp.MustCompile(`^\s*\[([^\]]+)\]:\s+(\S+)(?:\s+"([^"]*)")?\s*$`)
	reference   = regexp.MustCompile(`\]\[([^\]]+)\]`)
	nameOfATest = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark|Example)[A-Z]\w+`)
	mark        = regexp.MustCompile(`\[<sup>✓</sup>\]\[([^\]]+)\]`)
	numbered    = regexp.MustCompile(`^\d+\. `)
	codeSpan    = regexp.MustCompile("`[^`]*`")
)

// link is one in a document, or the definition of one.
type link struct{ target, names string }

func TestEveryTestThatADocumentNamesIsInTheFileItLinksTo(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	tests := testsByFile(t)
	named := 0
	for _, d := range documents(t) {
		for _, l := range d.links() {
			file := path.Join(path.Dir(d.path), l.target)
			for _, name := range nameOfATest.FindAllString(l.names, -1) {
				named++
				assert.Contains(t, tests[file], name, "%s links %s to %s. %s", d.path, name, l.target, claimRule)
			}
		}
	}
	assert.Greater(t, named, 100)
}

func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	all := make(map[string]bool)
	for _, names := range testsByFile(t) {
		for name := range names {
			all[name] = true
		}
	}
	for _, d := range documents(t) {
		for _, line := range d.prose() {
			for _, name := range nameOfATest.FindAllString(line, -1) {
				assert.True(t, all[name], "%s names %s. %s", d.path, name, claimRule)
			}
		}
	}
}

// A claim is a row of a table, an item of a list or a paragraph. Introductions,
// which end in a colon, claim nothing, nor does what only leads somewhere else.
func TestEveryClaimOfTheREADMEIsLinkedToATest(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	d := readDocument(t, "README.md")
	names := make(map[string]string)
	for _, line := range d.prose() {
		if found := definition.FindStringSubmatch(line); found != nil {
			names[found[1]] = found[3]
		}
	}
	claims := claimsOf(d)
	assert.Greater(t, len(claims), 20)
	for _, claim := range claims {
		marks := mark.FindAllStringSubmatch(claim, -1)
		assert.NotEmpty(t, marks, "%s\nclaims something without naming the test that holds it", claim)
		for _, found := range marks {
			assert.Regexp(t, nameOfATest, names[found[1]], "the mark %q leads to no test", found[1])
		}
	}
}

// claimsOf are the blocks of a README's text outside of what only leads
// elsewhere, each on one line.
func claimsOf(d document) []string {
	var claims []string
	block, section := "", ""
	end := func() {
		last := strings.TrimSpace(block)
		block = ""
		if last != "" && !strings.HasSuffix(last, ":") && section != "In this repository" {
			claims = append(claims, last)
		}
	}
	row := 0
	for _, line := range append(d.prose(), "") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "", definition.MatchString(line):
			end()
			row = 0
		case strings.HasPrefix(trimmed, "#"):
			end()
			section = strings.TrimLeft(trimmed, "# ")
		case strings.HasPrefix(trimmed, "|"):
			end()
			if row++; row > 2 { // behind the header and its line
				block = trimmed
			}
		case strings.HasPrefix(trimmed, "- "), numbered.MatchString(trimmed):
			end()
			block = trimmed
		default:
			block += " " + trimmed
		}
	}
	return claims
}

func TestTheLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	headings := make(map[string]map[string]bool)
	all := documents(t)
	for _, d := range all {
		headings[d.path] = d.anchors()
	}
	links := 0
	for _, d := range all {
		for _, l := range d.links() {
			if strings.Contains(l.target, "://") || strings.HasPrefix(l.target, "mailto:") {
				continue
			}
			links++
			target, anchor, _ := strings.Cut(l.target, "#")
			file := d.path
			if target != "" {
				file = path.Join(path.Dir(d.path), target)
				if !assert.True(t, exists(file), "%s links to %s", d.path, l.target) {
					continue
				}
			}
			if anchor != "" && strings.HasSuffix(file, ".md") {
				assert.True(t, headings[file][anchor], "%s links to %s, which has no such heading", d.path, l.target)
			}
		}
		defined := make(map[string]bool)
		for _, line := range d.prose() {
			if found := definition.FindStringSubmatch(line); found != nil {
				defined[strings.ToLower(found[1])] = false
			}
		}
		for _, line := range d.prose() {
			for _, used := range reference.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
				label := strings.ToLower(used[1])
				assert.Contains(t, defined, label, "%s uses a link that it does not define", d.path)
				defined[label] = true
			}
		}
		for label, used := range defined {
			assert.True(t, used, "%s defines the link %q and does not use it", d.path, label)
		}
	}
	assert.NotZero(t, links)
}

// What stands in brackets in a doc comment and is no link shows its brackets.
func TestEveryLinkOfTheDocCommentsLeadsToAName(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	looksLikeALink := regexp.MustCompile(`\[[\w./]*[A-Z]\w*\]`)
	for _, dir := range []string{".", "ecgridtest", "ledgertest", "redisledger"} {
		pkg := documentationOf(t, dir)
		for where, text := range commentsOf(pkg) {
			for _, left := range looksLikeALink.FindAllString(plainText(pkg.Parser().Parse(text)), -1) {
				assert.Fail(t, "a link that leads nowhere", "%s: %s in the comment of %s", dir, left, where)
			}
		}
	}
}

func (d document) links() []link {
	var links []link
	for _, line := range d.prose() {
		if found := definition.FindStringSubmatch(line); found != nil {
			links = append(links, link{target: found[2], names: found[3]})
			continue
		}
		for _, found := range inlineLink.FindAllStringSubmatch(line, -1) {
			links = append(links, link{target: found[2], names: found[1] + " " + found[3]})
		}
	}
	return links
}

// anchors are what a forge makes of the headings.
func (d document) anchors() map[string]bool {
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	found := make(map[string]bool)
	for _, line := range d.prose() {
		if text := strings.TrimLeft(line, "#"); text != line && strings.HasPrefix(text, " ") {
			slug := dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
			found[strings.ReplaceAll(slug, " ", "-")] = true
		}
	}
	return found
}

// testsByFile are the names of the test functions in each test file.
func testsByFile(t *testing.T) map[string]map[string]bool {
	t.Helper()
	found := make(map[string]map[string]bool)
	for _, file := range repositoryFiles(t, "_test.go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		found[file] = make(map[string]bool)
		for _, decl := range parsed.Decls {
			if function, ok := decl.(*ast.FuncDecl); ok && function.Recv == nil {
				found[file][function.Name.Name] = true
			}
		}
	}
	return found
}

// documentationOf is the documentation of the package in dir.
func documentationOf(t *testing.T, dir string) *doc.Package {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	for _, file := range repositoryFiles(t, ".go") {
		if path.Dir(file) != dir || strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(set, file, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, parsed)
	}
	require.NotEmpty(t, files, dir)
	pkg, err := doc.NewFromFiles(set, files, "github.com/ecgrid-contrib/"+path.Join("ecgridsession", dir))
	require.NoError(t, err)
	return pkg
}

func commentsOf(pkg *doc.Package) map[string]string {
	comments := map[string]string{"package " + pkg.Name: pkg.Doc}
	values := func(values []*doc.Value) {
		for _, value := range values {
			comments[strings.Join(value.Names, ", ")] = value.Doc
		}
	}
	functions := func(functions []*doc.Func) {
		for _, function := range functions {
			comments[function.Recv+"."+function.Name] = function.Doc
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	functions(pkg.Funcs)
	for _, named := range pkg.Types {
		comments[named.Name] = named.Doc
		values(named.Consts)
		values(named.Vars)
		functions(named.Funcs)
		functions(named.Methods)
	}
	return comments
}

// plainText is what a comment shows besides its links and its code.
func plainText(parsed *comment.Doc) string {
	var text strings.Builder
	write := func(parts []comment.Text) {
		for _, part := range parts {
			switch part := part.(type) {
			case comment.Plain:
				text.WriteString(string(part))
			case comment.Italic:
				text.WriteString(string(part))
			}
		}
	}
	var blocks func(list []comment.Block)
	blocks = func(list []comment.Block) {
		for _, block := range list {
			switch block := block.(type) {
			case *comment.Paragraph:
				write(block.Text)
			case *comment.Heading:
				write(block.Text)
			case *comment.List:
				for _, item := range block.Items {
					blocks(item.Content)
				}
			}
			text.WriteByte('\n')
		}
	}
	blocks(parsed.Content)
	return text.String()
}
