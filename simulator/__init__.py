from tokenspace import theory
from tokenspace.covariance import *  # noqa
