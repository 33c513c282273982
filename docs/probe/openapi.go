package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// places are where an OpenAPI description is usually published.
var places = []string{
	"/swagger/v2/swagger.json", "/swagger/v1/swagger.json", "/swagger/v2.6/swagger.json",
	"/openapi.json", "/v2/openapi.json", "/openapi/v2.json", "/openapi/v1.json", "/v2/swagger.json", "/swagger.json",
}

// assumedCalls are the calls of the library, and the fields that it sends; of each list one is enough.
var assumedCalls = []struct {
	path, method string
	bodies       [][]string
}{
	{"/v2/auth/login", "post", [][]string{{"login", "password"}, {"email", "password"}, {"username", "password"}, {"apiKey"}}},
	{"/v2/auth/refresh", "post", [][]string{{"token"}, {"refreshToken"}}},
	{"/v2/auth/logout", "post", nil},
	{"/v2/auth/session", "post", nil},
	{"/v2/users/reset/{id}", "post", nil},
	{"/v2/auth/version", "get", nil},
}

// object is any part of a description.
type object = map[string]json.RawMessage

// description compares the published description with the calls.
func (p *probe) description(ctx context.Context) {
	p.report.part("The published OpenAPI description")
	at := places
	if p.openAPI != "" {
		at = []string{"/" + strings.TrimLeft(p.openAPI, "/")}
	}
	for _, path := range at {
		a, err := p.call(ctx, http.MethodGet, path, credential{}, nil)
		if err != nil || a.status != http.StatusOK || a.fields["paths"] == nil {
			continue
		}
		p.report.note("found at %s", path)
		p.compare(a.fields)
		return
	}
	p.report.note("not found. Name its path with -openapi")
}

func (p *probe) compare(description object) {
	paths := child(description, "paths")
	for _, call := range assumedCalls {
		method := strings.ToUpper(call.method)
		i := -1
		var known []string
		for path := range paths {
			known = append(known, path)
		}
		slices.Sort(known)
		i = slices.IndexFunc(known, func(path string) bool { return samePath(path, call.path) })
		if i < 0 {
			p.report.other("%s %s is not in it", method, call.path)
			continue
		}
		operation := child(child(paths, known[i]), call.method)
		if operation == nil {
			p.report.other("%s has no %s", call.path, method)
			continue
		}
		fields := bodyFields(description, operation)
		fits := slices.IndexFunc(call.bodies, func(want []string) bool {
			return !slices.ContainsFunc(want, func(name string) bool { return !slices.Contains(fields, name) })
		})
		switch {
		case call.bodies == nil || fits == 0:
			p.report.same("%s %s", method, call.path)
		case fits > 0:
			p.report.taken("%s %s takes %s", method, call.path, strings.Join(call.bodies[fits], " and "))
		case len(fields) == 0:
			p.report.note("%s %s: the fields of its body are not described", method, call.path)
		default:
			for i := range fields {
				fields[i] = word(fields[i])
			}
			p.report.other("%s %s takes %s", method, call.path, strings.Join(fields, ", "))
		}
	}
}

// samePath compares paths without the names of their parameters.
func samePath(path, want string) bool {
	a, b := strings.Split(strings.TrimRight(path, "/"), "/"), strings.Split(want, "/")
	return slices.EqualFunc(a, b, func(x, y string) bool {
		return strings.EqualFold(x, y) || strings.HasPrefix(x, "{") && strings.HasPrefix(y, "{")
	})
}

// child is an object within another, or nil.
func child(parent object, name string) object {
	var found object
	if json.Unmarshal(parent[name], &found) != nil {
		return nil
	}
	return found
}

// bodyFields are the properties of an operation's JSON body.
func bodyFields(description, operation object) []string {
	for media, raw := range child(child(operation, "requestBody"), "content") {
		if !strings.Contains(media, "json") {
			continue
		}
		var content struct{ Schema object }
		if json.Unmarshal(raw, &content) == nil {
			return properties(description, content.Schema, 8)
		}
	}
	return nil
}

// properties follows references within the description, at most so deep: a schema may refer to itself.
func properties(description, schema object, deep int) (names []string) {
	if schema == nil || deep == 0 {
		return nil
	}
	var ref string
	if json.Unmarshal(schema["$ref"], &ref) == nil {
		at := description
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			at = child(at, step)
		}
		return properties(description, at, deep-1)
	}
	for name := range child(schema, "properties") {
		names = append(names, name)
	}
	for _, list := range []string{"allOf", "oneOf", "anyOf"} {
		var parts []object
		if json.Unmarshal(schema[list], &parts) != nil {
			continue
		}
		for _, part := range parts {
			names = append(names, properties(description, part, deep-1)...)
		}
	}
	slices.Sort(names)
	return names
}
