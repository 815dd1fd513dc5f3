// Logs in as auth0-cli and go-auth0 do, with golang.org/x/oauth2: first by HTTP Basic, with the client id in the form
// as well, then in the body if that is refused. Prints how many clients the Management API listed.
// Environment: AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, SSL_CERT_FILE.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	domain, id := os.Getenv("AUTH0_DOMAIN"), os.Getenv("AUTH0_CLIENT_ID")
	config := &clientcredentials.Config{
		ClientID:     id,
		ClientSecret: os.Getenv("AUTH0_CLIENT_SECRET"),
		TokenURL:     "https://" + domain + "/oauth/token",
		EndpointParams: url.Values{
			"client_id": {id},
			"audience":  {"https://" + domain + "/api/v2/"},
		},
	}
	answer, err := config.Client(context.Background()).Get("https://" + domain + "/api/v2/clients")
	if err != nil {
		fail(err)
	}
	defer answer.Body.Close()
	var clients []struct {
		ClientID string `json:"client_id"`
	}
	if answer.StatusCode != http.StatusOK {
		fail(fmt.Errorf("status %s", answer.Status))
	}
	if err := json.NewDecoder(answer.Body).Decode(&clients); err != nil {
		fail(err)
	}
	fmt.Println(len(clients))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
