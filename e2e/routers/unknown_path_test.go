package routers_test

import (
	"net/http"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/assert"
)

func TestAnUnknownPathAsksForASignInWhereTheDocumentationSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		start  serve
		status int
	}{
		"ServeMux":    {standard(onServeMux, http1), http.StatusUnauthorized},
		"chi":         {standard(onChi, http1), http.StatusNotFound},
		"gorilla/mux": {standard(onGorillaMux, http1), http.StatusNotFound},
		"echo":        {standard(onEcho, http1), http.StatusUnauthorized},
		"echo v4":     {standard(onEchoV4, http1), http.StatusUnauthorized},
		"gin":         {standard(onGin, http1), http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.start)
			assert.Equal(t, c.status, s.browser().get("/nowhere").StatusCode)
			assert.Equal(t, http.StatusNotFound, s.browser().signIn().get("/nowhere").StatusCode)
		})
	}
}

func TestAPageFor404KnowsTheUserWhereWrapGoesAroundGorillasRouter(t *testing.T) {
	for name, c := range map[string]struct {
		mount func(*app, *mux.Router) http.Handler
		says  string
	}{
		"around the router": {func(a *app, r *mux.Router) http.Handler { return a.sessions.Wrap(r) }, "Hello demo"},
		"given to Use":      {func(a *app, r *mux.Router) http.Handler { r.Use(a.sessions.Wrap); return r }, "Hello stranger"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, standard(func(a *app) http.Handler {
				router := mux.NewRouter()
				router.Handle("/login", a.sessions.LoginHandler())
				router.NotFoundHandler = http.HandlerFunc(a.home)
				return c.mount(a, router)
			}, http1))
			assert.Equal(t, c.says, s.browser().signIn().get("/nowhere").body)
		})
	}
}
