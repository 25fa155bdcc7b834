from harbour.missing import *
