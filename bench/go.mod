module github.com/ecgrid-contrib/ecgridsession/bench

go 1.26.0

require (
	github.com/alexedwards/scs/v2 v2.9.0
	github.com/ecgrid-contrib/ecgridsession v0.1.0
	github.com/gorilla/securecookie v1.1.2
	github.com/gorilla/sessions v1.4.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/oauth2 v0.37.0
	golang.org/x/sys v0.49.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.21.0 // indirect
)

// For work in this repository. It has no effect on programs that use the module.
replace github.com/ecgrid-contrib/ecgridsession => ../
