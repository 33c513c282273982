// Package stores tries stores from the field as Config.Store, each with the real
// module and the real database that it is for. DynamoDB runs only at AWS, so
// dynastore has a fake of the three calls that it makes. It is a separate module,
// because nothing else needs any of these stores.
//
// How stores differ is tested in tests/stores of the root module, with a store for
// each difference. Here it is seen that the real ones do what those do.
package stores
