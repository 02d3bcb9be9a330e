// Which protected calls servers in Go see in a body. One body in Base64 a line in, one array of [reader, method, name] a line out.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
)

type raw struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type params struct {
	Name string `json:"name"`
	URI  string `json:"uri"`
}

type typed struct {
	Method string `json:"method"`
	Params params `json:"params"`
}

var uses = map[string]bool{"tools/call": true, "prompts/get": true, "resources/read": true}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		body, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil {
			panic(err)
		}
		seen := [][3]string{}
		see := func(reader, method string, of params) {
			name := of.Name
			if method == "resources/read" {
				name = of.URI
			}
			if uses[method] && name != "" {
				seen = append(seen, [3]string{reader, method, name})
			}
		}
		ways := map[string]func(any) error{
			"Unmarshal": func(into any) error { return json.Unmarshal(body, into) },
			"Decoder":   func(into any) error { return json.NewDecoder(bytes.NewReader(body)).Decode(into) },
		}
		for way, read := range ways {
			var one raw
			if read(&one) == nil {
				var of params
				if json.Unmarshal(one.Params, &of) == nil {
					see(way, one.Method, of)
				}
			}
			var whole typed
			if read(&whole) == nil {
				see(way+", typed", whole.Method, whole.Params)
			}
			var batch []typed
			if read(&batch) == nil {
				for _, element := range batch {
					see(way+", batch", element.Method, element.Params)
				}
			}
		}
		if err := out.Encode(seen); err != nil {
			panic(err)
		}
	}
}
