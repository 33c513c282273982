module github.com/ecgrid-contrib/ecgridsession

go 1.26

require (
	github.com/gorilla/securecookie v1.1.2
	github.com/gorilla/sessions v1.4.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sync v0.21.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
