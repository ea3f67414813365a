// A client-go program that keeps Deployments, ReplicaSets and Pods in informers. For each line on standard input it prints what its caches hold:
// one JSON object from kind/namespace/name to resource version.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		panic(err)
	}
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 10*time.Minute)
	stores := map[string]cache.SharedIndexInformer{
		"Deployment": factory.Apps().V1().Deployments().Informer(),
		"ReplicaSet": factory.Apps().V1().ReplicaSets().Informer(),
		"Pod":        factory.Core().V1().Pods().Informer(),
	}
	stop := make(chan struct{})
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		held := map[string]string{}
		for kind, informer := range stores {
			for _, object := range informer.GetStore().List() {
				about, err := meta.Accessor(object)
				if err != nil {
					panic(err)
				}
				held[kind+"/"+about.GetNamespace()+"/"+about.GetName()] = about.GetResourceVersion()
			}
		}
		text, _ := json.Marshal(held)
		fmt.Println(string(text))
	}
}
