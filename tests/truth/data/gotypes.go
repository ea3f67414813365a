//go:build ignore

// Prints the Go structs behind the served types: what src/sim/data/gotypes.json holds. kinds.py says how to run it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

var found = map[string][][]string{}

func path(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }

// What is behind a named type, or behind the items of a list or map of one.
func behind(t reflect.Type) string {
	for t.Name() == "" {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			t = t.Elem()
		default:
			return ""
		}
	}
	switch {
	case t.PkgPath() == "":
		return ""
	case t.Kind() == reflect.Struct:
		return path(t)
	case t.Kind() == reflect.Slice:
		return "[]" + t.Elem().String()
	case t.Kind() == reflect.Map:
		return fmt.Sprintf("map[%s]%s", t.Key(), t.Elem())
	default:
		return t.Kind().String()
	}
}

func visit(t reflect.Type) {
	for t.Name() == "" && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		visit(t.Elem())
		return
	}
	if t.Kind() != reflect.Struct || t.PkgPath() == "" || !strings.HasPrefix(t.PkgPath(), "k8s.io/") {
		return
	}
	if _, ok := found[path(t)]; ok {
		return
	}
	found[path(t)] = nil
	rows := [][]string{}
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			continue
		}
		parts := strings.Split(field.Tag.Get("json"), ",")
		options := ""
		for _, part := range parts[1:] {
			switch part {
			case "omitempty":
				options += "e"
			case "omitzero":
				options += "z"
			case "inline":
				options += "i"
			}
		}
		if parts[0] == "-" {
			parts[0] = ""
			options += "-"
		}
		row := []string{field.Name, parts[0], field.Type.String(), options}
		if b := behind(field.Type); b != "" {
			row = append(row, b)
		}
		rows = append(rows, row)
		visit(field.Type)
	}
	found[path(t)] = rows
}

func main() {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	served := map[schema.GroupVersion]bool{}
	for _, name := range os.Args[1:] {
		gv, err := schema.ParseGroupVersion(name)
		if err != nil {
			panic(err)
		}
		served[gv] = true
	}
	for gvk, t := range s.AllKnownTypes() {
		if served[gvk.GroupVersion()] {
			visit(t)
		}
	}
	for _, it := range []any{metav1.Status{}, metav1.APIResourceList{}, metav1.APIGroupList{}, metav1.APIVersions{}} {
		visit(reflect.TypeOf(it))
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}
