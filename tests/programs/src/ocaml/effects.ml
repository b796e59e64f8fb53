(* OCaml's own walk: effect handlers (in continuation-passing style, so all of it is tail calls), exceptions, closures and
   polymorphic values, all in the garbage-collected heap. *)
open Effect
open Effect.Deep

type _ Effect.t += Yield : int -> unit Effect.t | Ask : string -> int Effect.t

(* A generator made of an iterator. *)
let generate iter =
  let rec step = ref (fun () ->
    match_with iter (fun x -> perform (Yield x))
      { retc = (fun () -> step := (fun () -> None); None);
        exnc = raise;
        effc = fun (type a) (eff : a Effect.t) -> match eff with
          | Yield x -> Some (fun (k : (a, _) continuation) -> step := (fun () -> continue k ()); Some x)
          | _ -> None }) in
  fun () -> !step ()

(* Threads that take turns. *)
type _ Effect.t += Fork : (unit -> unit) -> unit Effect.t | Pause : unit Effect.t

let schedule main =
  let ready = Queue.create () in
  let next () = match Queue.take_opt ready with Some go -> go () | None -> () in
  let rec spawn f =
    match_with f () { retc = next; exnc = raise; effc = fun (type a) (eff : a Effect.t) -> match eff with
      | Fork g -> Some (fun (k : (a, _) continuation) -> Queue.add (fun () -> continue k ()) ready; spawn g)
      | Pause -> Some (fun (k : (a, _) continuation) -> Queue.add (fun () -> continue k ()) ready; next ())
      | _ -> None } in
  spawn main

type 'a expr =
  | Int : int -> int expr
  | Add : int expr * int expr -> int expr
  | Less : int expr * int expr -> bool expr
  | If : bool expr * 'a expr * 'a expr -> 'a expr

let rec value : type a. a expr -> a = function
  | Int n -> n
  | Add (a, b) -> value a + value b
  | Less (a, b) -> value a < value b
  | If (c, a, b) -> if value c then value a else value b

type tree = Leaf | Node of tree * int * tree
let rec insert x = function
  | Leaf -> Node (Leaf, x, Leaf)
  | Node (l, y, r) as t -> if x < y then Node (insert x l, y, r) else if x > y then Node (l, y, insert x r) else t
let rec iter f = function Leaf -> () | Node (l, x, r) -> iter f l; f x; iter f r

exception Found of { at : int; label : string }
module Names = Map.Make (String)

let () =
  let words = String.split_on_char ' ' "the arctic tern flies from pole to pole and the pole moves" in
  let counts = List.fold_left (fun m w -> Names.update w (fun n -> Some (1 + Option.value n ~default:0)) m) Names.empty words in
  Names.iter (Printf.printf "%s:%d ") counts;
  print_newline ();
  let numbers = List.init 40 (fun i -> i * 7919 mod 101) in
  let next = generate (fun f -> iter f (List.fold_right insert numbers Leaf)) in
  let rec drain () = match next () with Some x -> Printf.printf "%d " x; drain () | None -> print_newline () in
  drain ();
  schedule (fun () ->
    for i = 1 to 3 do
      perform (Fork (fun () -> for j = 1 to 3 do Printf.printf "%d.%d " i j; perform Pause done))
    done);
  print_newline ();
  let answer = match_with (fun () -> perform (Ask "six") * perform (Ask "seven")) ()
    { retc = Fun.id; exnc = (fun e -> print_endline (Printexc.to_string e); -1);
      effc = fun (type a) (eff : a Effect.t) -> match eff with
        | Ask "six" -> Some (fun (k : (a, _) continuation) -> continue k 6)
        | Ask name -> Some (fun (k : (a, _) continuation) -> discontinue k (Failure name))
        | _ -> None } in
  Printf.printf "answer %d, %d\n" answer (value (If (Less (Int 2, Add (Int 1, Int 1)), Int 10, Int 20)));
  (try List.iteri (fun at label -> if label = "pole" then raise (Found { at; label })) words
   with Found { at; label } -> Printf.printf "found %s at %d\n" label at);
  List.iter (fun f -> try f (); print_endline "nothing" with e -> print_endline (Printexc.to_string e))
    [ (fun () -> ignore (List.hd []));
      (fun () -> ignore (1 / (Sys.opaque_identity 0)));
      (fun () -> ignore [| 1 |].(Sys.opaque_identity 3));
      (fun () -> ignore (Hashtbl.find (Hashtbl.create 1) 'x'));
      (fun () -> perform Pause);
      (fun () -> Fun.protect ~finally:(fun () -> print_string "finally ") (fun () -> ignore (int_of_string "x"))) ];
  let table = Hashtbl.create 16 in
  for i = 1 to 20_000 do Hashtbl.replace table (string_of_int (i mod 5000)) (Some (i, [ float_of_int i ])) done;
  let sum = Hashtbl.fold (fun k v n -> match v with Some (i, [ f ]) -> n + i + int_of_float f + String.length k | _ -> n) table 0 in
  Printf.printf "table %d %d\n" (Hashtbl.length table) sum;
  Printf.printf "%Ld %lx %nd %h %.17g %S\n" (Int64.mul 0x123456789ABCDEFL (-3L)) (Int32.shift_right_logical (-1l) 4) (Nativeint.neg 5n)
    0.1 (sqrt 2.) "tab\t\255";
  print_endline (Digest.to_hex (Digest.string (Marshal.to_string (words, [| 1.5; nan |], Some `Tag) [])));
  let a, b = Scanf.sscanf "12 abc" "%d %s" (fun a b -> (a, b)) in
  Format.printf "@[<hov 2>%d@ %s@ %a@]@." a b (Format.pp_print_list ~pp_sep:Format.pp_print_space Format.pp_print_int) (List.init 45 Fun.id);
  let rec deep n = if n = 0 then 0 else 1 + deep (n - 1) in
  Printf.printf "%d %d\n" (deep 10_000) (Seq.ints 1 |> Seq.filter (fun n -> n mod 3 = 0) |> Seq.take 1000 |> Seq.fold_left ( + ) 0);
  exit 3
