"""What convlens knows about each ATen operator: forward, gradient, formula, multiply-adds, window. Knows no graph."""

from convlens.ops.record import POINTWISE as POINTWISE
from convlens.ops.record import WHOLE_INPUT as WHOLE_INPUT
from convlens.ops.record import Backward as Backward
from convlens.ops.record import Inserted as Inserted
from convlens.ops.record import Joined as Joined
from convlens.ops.record import Local as Local
from convlens.ops.record import NoRule as NoRule
from convlens.ops.record import Operator as Operator
from convlens.ops.record import Parted as Parted
from convlens.ops.record import Reads as Reads
from convlens.ops.record import Reshaped as Reshaped
from convlens.ops.record import Scattered as Scattered
from convlens.ops.record import Seen as Seen
from convlens.ops.record import Subscripts as Subscripts
from convlens.ops.record import Taken as Taken
from convlens.ops.record import WholeInput as WholeInput
from convlens.ops.record import Window as Window
from convlens.ops.record import tensor_inputs as tensor_inputs
from convlens.ops.sizes import CONSTANT_OPERATORS as CONSTANT_OPERATORS
from convlens.ops.table import TABLE as TABLE
from convlens.ops.table import lookup as lookup
from convlens.ops.table import name_of as name_of
