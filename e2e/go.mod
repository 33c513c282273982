module github.com/ecgrid-contrib/ecgridsession/e2e

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/ecgrid-contrib/ecgridsession v0.1.0
	github.com/ecgrid-contrib/ecgridsession/redisledger v0.1.0
	github.com/redis/go-redis/v9 v9.23.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/gorilla/securecookie v1.1.2 // indirect
	github.com/gorilla/sessions v1.4.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.21.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

// This module is tests alone; nobody imports it.
replace (
	github.com/ecgrid-contrib/ecgridsession => ../
	github.com/ecgrid-contrib/ecgridsession/redisledger => ../redisledger
)
