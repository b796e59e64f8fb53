package   terns
import ("fmt";  "os"
"errors")
type Bird struct { Name string `json:"name"`
  Grams float64
 Seen []int }
func (b *Bird)String( ) string { if b==nil{return "none"}
return fmt.Sprintf( "%s: %v",b.Name , b.Grams ) }
// comment
func main(){ x:=[]int{1,2,
3}; for i:=range x { switch { case i>1: fmt.Println(&Bird{"tern",110,nil}) ; default: fmt.Fprintln(os.Stderr,errors.New("e")) } }
var ( a=1
 longName   = 2 ) ; _=a; _=longName; go func(){ select{} }() }
