module github.com/ecgrid-contrib/ecgridsession/bench

go 1.26.0

require (
	github.com/ecgrid-contrib/ecgridsession v0.1.0
	github.com/gorilla/sessions v1.4.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.48.0
)

require (
	github.com/gorilla/securecookie v1.1.2 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.21.0 // indirect
)

// This module is measurements alone; nobody imports it.
replace github.com/ecgrid-contrib/ecgridsession => ../
