// Package stores tries stores from the field as Config.Store, each with the real
// module and the real database that it is for. It is a module of its own, since
// none of them is needed by anything else.
//
// How stores differ is tested in tests/stores of the root module, with a store for
// each difference. Here it is seen that the real ones do what those do.
package stores
